//! Google's `generateContent` dialect, on AI Studio and on Vertex AI, both directions. No I/O.
