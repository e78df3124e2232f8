"""What training shares over all families of rerankers: lists, looks at dev, callbacks, the finished folder."""
