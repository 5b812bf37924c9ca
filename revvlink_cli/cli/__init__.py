"""The program around the commands: the Typer root, the runner, completion and JSON Schemas."""
