"""The step of a layer and of the head in C, and the WebAssembly module that it becomes."""
