//! `pipeline:` steps, and the pipeline files that they use, which are steps too.

use indexmap::IndexMap;

use crate::config::field::{Condition, Dict, Text};
use crate::config::record::record;

record! {
    /// A step.
    pub struct Step {
        /// Whether it runs.
        condition: Condition = "if" [early],
        /// What the log calls it.
        name: Text = "name" [early],
        /// The reusable pipeline that it is.
        uses: Text = "uses" [],
        /// That pipeline's inputs.
        with: Dict = "with" [early],
        /// Shell text.
        runs: Text = "runs" [early],
        /// Steps after `runs`.
        pipeline: Vec<Step> = "pipeline" [early],
        /// What `with` may name.
        inputs: IndexMap<String, Input> = "inputs" [silent],
        /// What must be installed.
        needs: Option<Needs> = "needs" [early],
        /// No effect.
        label: Text = "label" [],
        /// What must hold after it ran.
        assertions: Option<Assertions> = "assertions" [],
        /// Relative to the workspace.
        working_directory: Text = "working-directory" [early],
        /// Variables of the shell.
        environment: Dict = "environment" [early],
    }
}

record! {
    /// An input of a pipeline.
    pub struct Input {
        /// What it means.
        description: Text = "description" [],
        /// The value if none, or an empty one, is given.
        default: Text = "default" [],
        /// Whether it must not be empty.
        required: bool = "required" [],
    }
}

record! {
    /// What a step needs.
    pub struct Needs {
        /// Packages of the environment.
        packages: Vec<Text> = "packages" [early always capital],
    }
}

record! {
    /// What must hold after a step ran.
    pub struct Assertions {
        /// How many of its direct children must have run.
        required_steps: i64 = "required-steps" [],
    }
}

record! {
    /// What a pipeline file says of itself.
    pub struct About {
        /// For this project's own and many others, a line about what it does.
        name: Text = "name" [],
        /// No key of steps, but many files have it.
        description: Text = "description" [],
    }
}
