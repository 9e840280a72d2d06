"""What an item is about: its period and its format.

    path --layout--> period        the settings say how paths are built
    path --recognise--> period     what people write into names
    content --format--> format     found by content, never by the name alone

Values in, values out: no input, no output, no clock.
"""
