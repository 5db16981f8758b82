"""``retrograd train``: from a table or a folder of images to a network that was tried."""
