"""Preprocessing recipes, pretrained backbones, embedding a stream of CCD images."""
