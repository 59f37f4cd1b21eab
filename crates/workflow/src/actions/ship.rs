//! wharf's own action, `action.yml` in its repository: here it is this very binary.

use super::call::Call;
use super::{Input, Native};
use crate::run::Fail;

pub(crate) const ACTION: Native = Native {
    name: "wharf/wharf",
    inputs: &[
        Input("directory", ".", 0),
        Input("file", "", 0),
        Input("target", "", 0),
        Input("push", "true", 0),
        Input("smoke", "true", 0),
        Input("scan", "true", 0),
        Input("cache", "true", 0),
        Input("version", "", 0),
        Input("digest", "", 0),
    ],
    run,
};

fn run(call: &mut Call<'_, '_>) -> Result<(), Fail> {
    let mut flags = Vec::new();
    for (input, flag) in [("file", "--file"), ("target", "--target")] {
        if !call.text(input).is_empty() {
            flags.extend([flag.to_owned(), call.text(input).to_owned()]);
        }
    }
    for (input, flag) in
        [("push", "--no-push"), ("smoke", "--no-smoke"), ("scan", "--no-scan"), ("cache", "--no-cache")]
    {
        if !call.flag(input)? {
            flags.push(flag.to_owned());
        }
    }
    flags.push(call.text("directory").to_owned());
    let invocation = call.leg.engine.ship(flags);
    let left = call.run(invocation)?;
    call.outputs.extend(left.outputs);
    Ok(())
}
