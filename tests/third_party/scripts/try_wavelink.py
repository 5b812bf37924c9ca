"""Wavelink."""

import wavelink
from wavelink_like import run_with

run_with(wavelink)
