"""Lava-lyra."""

import lava_lyra
from pomice_like import run_with

run_with(lava_lyra, "lyra")
