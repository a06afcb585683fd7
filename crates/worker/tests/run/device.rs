//! The same jobs on a GPU, where there is one.

use std::process::Command;

use tracking::EvaluationPurpose;

use crate::folder::{TestRun, outcome, worker};

#[test]
fn a_run_on_cuda_ends_like_one_on_the_cpu() {
    let output = Command::new(worker()).arg("probe").output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    if report["cuda_devices"] == 0 {
        eprintln!("skipped: no CUDA device ({})", report["cuda_backend"]);
        return;
    }
    for network in ["network.kind=feed_forward", "network.kind=gru"] {
        let run = TestRun::new(&["runtime.device=cuda", network]);
        assert_eq!(outcome(&run.run()), (0, String::new()));
        assert_eq!(outcome(&run.resume()).0, 0);
        assert!(!run.returns(EvaluationPurpose::Absolute).is_empty());
    }
}
