//! The table of checks.

/// A check.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub description: &'static str,
    /// Where it is explained; empty where it is not.
    pub url: &'static str,
    /// Off unless asked for.
    pub experimental: bool,
}

/// Each: name, last part of its address, whether it is experimental, description.
macro_rules! rules {
    ($($(#[$doc:meta])* $constant:ident = $name:literal, $slug:literal, $experimental:literal, $description:literal;)*) => {
        $(
            $(#[$doc])*
            pub static $constant: Rule = Rule {
                name: $name,
                description: $description,
                url: if $slug.is_empty() { "" } else { concat!("https://docs.docker.com/go/dockerfile/rule/", $slug, "/") },
                experimental: $experimental,
            };
        )*

        /// Every check, in the order of the reference.
        pub static ALL: &[&Rule] = &[$(&$constant),*];
    };
}

rules! {
    /// A stage's name has upper-case letters.
    STAGE_NAME_CASING = "StageNameCasing", "stage-name-casing", false,
        "Stage names should be lowercase";
    /// `FROM … as`, or `from … AS`.
    FROM_AS_CASING = "FromAsCasing", "from-as-casing", false,
        "The 'as' keyword should match the case of the 'from' keyword";
    /// An empty line within an instruction.
    NO_EMPTY_CONTINUATION = "NoEmptyContinuation", "no-empty-continuation", false,
        "Empty continuation lines will become errors in a future release";
    /// Not all instructions are cased as most are.
    CONSISTENT_INSTRUCTION_CASING = "ConsistentInstructionCasing", "consistent-instruction-casing", false,
        "All commands within the Dockerfile should use the same casing (either upper or lower)";
    /// Two stages have one name.
    DUPLICATE_STAGE_NAME = "DuplicateStageName", "duplicate-stage-name", false,
        "Stage names should be unique";
    /// A stage is called `scratch` or `context`.
    RESERVED_STAGE_NAME = "ReservedStageName", "reserved-stage-name", false,
        "Reserved words should not be used as stage names";
    /// `CMD` or `ENTRYPOINT` in shell form without a `SHELL`.
    JSON_ARGS_RECOMMENDED = "JSONArgsRecommended", "json-args-recommended", false,
        "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals";
    /// `MAINTAINER`.
    MAINTAINER_DEPRECATED = "MaintainerDeprecated", "maintainer-deprecated", false,
        "The MAINTAINER instruction is deprecated, use a label instead to define an image author";
    /// `FROM` uses a variable that no `ARG` before it declares.
    UNDEFINED_ARG_IN_FROM = "UndefinedArgInFrom", "undefined-arg-in-from", false,
        "FROM command must use declared ARGs";
    /// The first `WORKDIR` is relative.
    WORKDIR_RELATIVE_PATH = "WorkdirRelativePath", "workdir-relative-path", false,
        "Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes";
    /// A variable is used that is not set.
    UNDEFINED_VAR = "UndefinedVar", "undefined-var", false,
        "Variables should be defined before their use";
    /// A second `CMD`, `ENTRYPOINT` or `HEALTHCHECK` in a stage.
    MULTIPLE_INSTRUCTIONS_DISALLOWED = "MultipleInstructionsDisallowed", "multiple-instructions-disallowed", false,
        "Multiple instructions of the same type should not be used in the same stage";
    /// `ENV` or `LABEL` without `=`.
    LEGACY_KEY_VALUE_FORMAT = "LegacyKeyValueFormat", "legacy-key-value-format", false,
        "Legacy key/value format with whitespace separator should not be used";
    /// `FROM --platform=$TARGETPLATFORM`.
    REDUNDANT_TARGET_PLATFORM = "RedundantTargetPlatform", "redundant-target-platform", false,
        "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior";
    /// A name of `ARG` or `ENV` sounds like a secret.
    SECRETS_USED_IN_ARG_OR_ENV = "SecretsUsedInArgOrEnv", "secrets-used-in-arg-or-env", false,
        "Sensitive data should not be used in the ARG or ENV commands";
    /// With the defaults of the global arguments, `FROM` names no image.
    INVALID_DEFAULT_ARG_IN_FROM = "InvalidDefaultArgInFrom", "invalid-default-arg-in-from", false,
        "Default value for global ARG results in an empty or invalid base image name";
    /// `FROM --platform=` with a constant.
    FROM_PLATFORM_FLAG_CONST_DISALLOWED = "FromPlatformFlagConstDisallowed", "from-platform-flag-const-disallowed", false,
        "FROM --platform flag should not use a constant value";
    /// `COPY` of a file that the ignore file leaves out.
    COPY_IGNORED_FILE = "CopyIgnoredFile", "copy-ignored-file", true,
        "Attempting to Copy file that is excluded by .dockerignore";
    /// The comment above a stage or argument describes something else.
    INVALID_DEFINITION_DESCRIPTION = "InvalidDefinitionDescription", "invalid-definition-description", true,
        "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment.";
    /// `EXPOSE 80/TCP`.
    EXPOSE_PROTO_CASING = "ExposeProtoCasing", "expose-proto-casing", false,
        "Protocol in EXPOSE instruction should be lowercase";
    /// `EXPOSE 8080:80`.
    EXPOSE_INVALID_FORMAT = "ExposeInvalidFormat", "expose-invalid-format", false,
        "IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release";
    /// The base image is for another platform.
    INVALID_BASE_IMAGE_PLATFORM = "InvalidBaseImagePlatform", "", false,
        "Base image platform does not match expected target platform";
}
