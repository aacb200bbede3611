//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::HandlerResult;
use crate::scenario::{SCENARIOS, Scenario};
use crate::servers::{CONTENDERS, Contender};

pub(crate) const USAGE: &str = "options:
    --rounds N           runs of each scenario and server (default: 3)
    --secs S             measured seconds of a run (default: 1)
    --only SCENARIO,..   scenarios, or what their names begin with
    --servers NAME,..    servers
    --json FILE          write the figures of every run there";

pub(crate) struct Options {
    pub(crate) rounds: u32,
    pub(crate) time: Duration,
    pub(crate) scenarios: Vec<&'static Scenario>,
    pub(crate) contenders: Vec<&'static Contender>,
    pub(crate) json: Option<PathBuf>,
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> HandlerResult<Options> {
        let mut options = Options {
            rounds: 3,
            time: Duration::from_secs(1),
            scenarios: SCENARIOS.iter().collect(),
            contenders: CONTENDERS.iter().collect(),
            json: None,
        };
        for pair in arguments.chunks(2) {
            let [name, value] = pair else {
                return Err(format!("{} alone says nothing\n{USAGE}", pair[0]).into());
            };
            let listed = || value.split(',');
            match name.as_str() {
                "--rounds" => options.rounds = value.parse::<u32>()?.clamp(1, 100),
                "--secs" => {
                    let secs = value.parse::<f64>()?.clamp(0.1, 60.0);
                    options.time = Duration::from_secs_f64(secs);
                }
                "--only" => options
                    .scenarios
                    .retain(|scenario| listed().any(|only| scenario.name.starts_with(only))),
                "--servers" => options
                    .contenders
                    .retain(|contender| listed().any(|only| contender.name == only)),
                "--json" => options.json = Some(value.into()),
                _ => return Err(format!("unknown option {name}\n{USAGE}").into()),
            }
        }
        if options.scenarios.is_empty() || options.contenders.is_empty() {
            let scenarios = SCENARIOS.map(|scenario| scenario.name).join(", ");
            let servers = CONTENDERS.map(|contender| contender.name).join(", ");
            return Err(format!("scenarios: {scenarios}\nservers: {servers}").into());
        }
        Ok(options)
    }
}
