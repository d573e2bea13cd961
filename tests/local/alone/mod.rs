//! Tests that change the deployed recorder and therefore run alone (profile `local-aws-alone`).

mod beside;
