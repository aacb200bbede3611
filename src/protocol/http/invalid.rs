//! The errors for values that the program itself has passed in, all of one shape.

/// Defines the error for a text that is not a valid value: it keeps the text, and `Display` writes the
/// message with the text, escaped and shortened, in place of `{}`.
macro_rules! invalid_text {
    ($(#[$doc:meta])* $name:ident: $message:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(String);

        impl std::fmt::Display for $name {
            #[inline]
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let text = $crate::protocol::http::text::Escaped::Text(&self.0);
                write!(f, $message, text)
            }
        }

        invalid_input!($name);
    };
}

/// Makes a type an error that converts to an `io::Error` of the kind `InvalidInput`.
macro_rules! invalid_input {
    ($name:ident) => {
        impl std::error::Error for $name {}

        impl From<$name> for std::io::Error {
            fn from(invalid: $name) -> Self {
                std::io::Error::new(std::io::ErrorKind::InvalidInput, invalid)
            }
        }
    };
}
