"""What source code does that its author rarely means; the words that the diagnosis knows such a remark by."""

SHARED = "holds one module several times: all of them have the same weights"
OVERWRITTEN = "overwrites its input, and the code uses that input again"
NO_SUM = "is called residual, but no sum was read in it"
LAST_AXIS = "has its default axis=-1 while the channels come first"
FORGET_BIAS = "sets a part of a bias of an LSTM"
