//! The `sms-mcp` binary: reads the command line and runs it.

use std::process::ExitCode;

use clap::Parser as _;
use sms_mcp::cli::{self, Cli};

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    // Tests set failpoints through the environment; a release build has none.
    let failpoints = fail::FailScenario::setup();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(cli::run(cli));
    failpoints.teardown();
    // A read of standard input that is still waiting must not keep the process.
    runtime.shutdown_background();
    Ok(ExitCode::from(code))
}
