//! The form in which overlayfs keeps a layer on disk, and how owners are kept where `chown` is refused.
//!
//! A removal is a character device 0:0, a directory that hides the lower ones carries an extended
//! attribute (Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories").

/// Which extended attribute marks an opaque directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OpaqueXattr {
    /// `trusted.overlay.opaque`, for mounts made by root.
    #[default]
    Trusted,
    /// `user.overlay.opaque`, for mounts made in a user namespace with the option `userxattr`.
    User,
}

impl OpaqueXattr {
    /// Both, since a store may be used as root today and in a user namespace tomorrow.
    pub(crate) const ALL: [Self; 2] = [Self::Trusted, Self::User];

    /// The name of the attribute; its value is `y`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trusted => "trusted.overlay.opaque",
            Self::User => "user.overlay.opaque",
        }
    }
}

/// Where the owner of a file in a tree is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ownership {
    /// In the inode.
    #[default]
    Real,
    /// In the extended attribute [`OWNER_XATTR`], because the namespace has a single id and `chown` to
    /// any other fails. A file without the attribute belongs to 0:0. Symbolic links, fifos and devices
    /// cannot carry it and always belong to 0:0.
    Recorded,
}

/// `uid:gid` in decimal, under [`Ownership::Recorded`].
pub const OWNER_XATTR: &str = "user.wharf.owner";
