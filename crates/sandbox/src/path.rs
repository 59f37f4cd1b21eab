//! Paths as the kernel takes them.

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::Error;

/// A path of the host.
pub(crate) fn c_path(path: &Path) -> Result<CString, Error> {
    c_string(path.as_os_str(), "a path")
}

/// An absolute path in the root of a sandbox.
pub(crate) fn c_absolute(path: &Path) -> Result<CString, Error> {
    if !path.is_absolute() {
        return Err(Error::Invalid(format!("`{}` is not an absolute path", path.display())));
    }
    c_path(path)
}

/// Any string that the kernel gets; `what` names it in the error.
pub(crate) fn c_string(text: impl AsRef<OsStr>, what: &str) -> Result<CString, Error> {
    let text = text.as_ref();
    CString::new(text.as_bytes())
        .map_err(|_| Error::Invalid(format!("{what} holds a NUL byte: `{}`", text.display())))
}

/// The way back, for error messages.
pub(crate) fn from_c(path: &CStr) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(path.to_bytes()))
}
