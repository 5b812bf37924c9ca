"""One module a command group: parse, call, return a result. Nothing here prints."""
