"""Weights from elsewhere: torchvision's and timm's names for the atlas's tensors, and back."""
