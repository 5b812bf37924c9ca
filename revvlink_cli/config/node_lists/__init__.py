"""Node lists of other programs: read for `nodes import`, written for `nodes export`.

`syntax` turns YAML, code and lists of variables into one tree of values; `formats` has one module for each program
whose lists are known. Nothing in a text is ever executed.
"""
