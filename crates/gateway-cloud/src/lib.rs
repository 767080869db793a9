//! Credentials that change over time or belong to one request: AWS signatures, Google's and
//! Microsoft's tokens.
