//! Classifies failed requests the way the SDK expects; its retry decision depends on the class.

use std::error::Error;
use std::io;

use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::retry::ErrorKind;
use hyper_util::client::legacy;

use crate::https::time_limit::TooLate;

/// Classifies a client error as the SDK's own HTTP client does.
pub(crate) fn failure(error: legacy::Error) -> ConnectorError {
    let is_timed_out = cause::<TooLate>(&error).is_some();
    let is_of_the_connection = error.is_connect() || cause::<io::Error>(&error).is_some();
    let http = cause::<hyper::Error>(&error);
    let is_user = http.is_some_and(hyper::Error::is_user);
    let is_over = http.is_some_and(|http| http.is_closed() || http.is_canceled());
    let is_cut_off = http.is_some_and(hyper::Error::is_incomplete_message);
    let error = Box::new(error);
    if is_timed_out {
        ConnectorError::timeout(error)
    } else if is_user {
        ConnectorError::user(error)
    } else if is_of_the_connection || is_over {
        ConnectorError::io(error)
    } else {
        ConnectorError::other(error, is_cut_off.then_some(ErrorKind::TransientError))
    }
}

/// The first error of type `E` in the chain of causes, the error itself included.
fn cause<E: Error + 'static>(error: &legacy::Error) -> Option<&E> {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
