"""The autoencoder of source stamps and its scores."""
