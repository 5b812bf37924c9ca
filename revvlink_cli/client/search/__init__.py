"""Track searches: which node is asked, and what is kept."""
