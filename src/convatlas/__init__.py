"""ConvAtlas: an atlas of the classic convolutional networks."""
