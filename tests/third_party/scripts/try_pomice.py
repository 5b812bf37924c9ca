"""Pomice."""

import pomice
from pomice_like import run_with

run_with(pomice, "pomice")
