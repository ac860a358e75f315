"""The picture of a signal over depth: one document, drawn as a page, an SVG, a PNG or a line in a terminal."""
