"""How a driving motion meets a source portrait, for blendshapes and for keypoints."""
