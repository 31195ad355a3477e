"""The general source world: pictures and clips with descriptions and closed questions."""
