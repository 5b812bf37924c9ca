"""What node lists are written in: JSON and other literals in code, YAML, and lists of variables."""
