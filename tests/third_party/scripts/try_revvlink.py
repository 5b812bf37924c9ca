"""The library that has the name ``revvlink`` on the package index; it is not this project's."""

import revvlink
from wavelink_like import run_with

run_with(revvlink)
