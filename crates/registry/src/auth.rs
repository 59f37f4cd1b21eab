//! Who we are to a registry: credentials, challenges, tokens.

mod credentials;

pub use credentials::{Credentials, CredentialsError, Login};
