//! Ollama's native `/api/chat`, both directions. No I/O.
