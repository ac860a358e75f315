"""Is there a reference to predict against, what does it leave, how does the branch start, when does it hurt."""
