"""What ConvAtlas is measured against, written anew so that a benchmark needs nothing installed."""
