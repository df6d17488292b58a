"""How a driving motion is put on a source portrait, for blendshapes and for keypoints."""
