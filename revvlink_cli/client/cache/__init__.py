"""Where search results are kept so that nodes need not be asked twice."""
