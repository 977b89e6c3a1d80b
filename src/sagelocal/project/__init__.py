"""What a project's sagelocal.toml says: images by pattern, handlers, parameters by profile; recipes for images."""
