//! Any Dockerfile that parses has a plan or an error, whatever its base image and the build arguments say.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_build::plan::{BaseImage, BaseRef, Request, ResolveError, check, plan};
use wharf_oci::{ImageConfig, Platform, digest};

fuzz_target!(|input: (&[u8], &str, &str)| {
    let (text, argument, trigger) = input;
    let Ok(dockerfile) = wharf_dockerfile::parse(text) else { return };
    let platform = Platform::new("linux", "amd64", None);
    let mut request = Request::new(platform.clone());
    request.build_args.insert("A".into(), argument.into());
    let mut config = ImageConfig::empty(&platform);
    config.config.on_build = Some(vec![trigger.into()]);
    let base = BaseImage { digest: digest::empty(), config };
    let resolve = |wanted: &[BaseRef]| -> Vec<Result<BaseImage, ResolveError>> {
        wanted.iter().map(|_| Ok(base.clone())).collect()
    };
    let _ = plan(&dockerfile, &request, &resolve);
    let _ = check(&dockerfile, &request, &resolve);
});
