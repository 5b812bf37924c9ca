"""One module for each program whose node lists are known; `catalogue` has all of them."""
