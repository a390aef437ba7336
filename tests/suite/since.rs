//! A yes undoes nothing that somebody said after it was asked for.
#![cfg(unix)]

use sms_mcp::access::NAMESPACE;

use crate::approvers::Scene;

const NUMBER: &str = "+12025550123";

#[test]
fn a_yes_undoes_no_stop_and_no_withdrawal_that_came_after_it_was_asked_for() {
    let scene = Scene::new("");
    let done = |args: &[&str]| {
        let ended = scene.run(args);
        assert_eq!(ended.code, 0, "{args:?}: {ended:?}");
        ended.out
    };
    let prove = |args: &[&str], challenge: &(std::path::PathBuf, String)| {
        scene.prove(args, challenge, &scene.alice.sign(NAMESPACE, &challenge.1))
    };
    let remove = ["opt-out", "remove", NUMBER];
    done(&["opt-out", "add", NUMBER]);
    let asked = scene.challenge(&remove);
    // They say it once more.
    done(&["opt-out", "add", NUMBER]);
    let late = prove(&remove, &asked);
    assert_ne!(late.code, 0, "{late:?}");
    assert!(late.err.contains("since this was asked"), "{late:?}");
    assert!(done(&["opt-out"]).contains(NUMBER));
    // Asked again it is a yes to what stands.
    assert_eq!(scene.approved(&remove).code, 0);
    assert!(!done(&["opt-out"]).contains(NUMBER));

    let add = ["consent", "add", NUMBER, "--source", "web-form"];
    let asked = scene.challenge(&add);
    done(&["consent", "withdraw", NUMBER, "--source", "phone"]);
    let late = prove(&add, &asked);
    assert_eq!(late.code, 0, "it is recorded, as of when it was asked: {late:?}");
    let shown = done(&["consent", "show", NUMBER]);
    assert!(shown.lines().find(|line| line.contains("marketing")).unwrap().contains("withdrawn"), "{shown}");
    // Whoever is asked now reads that it would not count.
    let (_, asked) =
        scene.challenge(&["consent", "add", NUMBER, "--source", "web-form", "--at", "2026-01-02"]);
    assert!(asked.contains("expires never, by web-form; does not count, withdrawn 20"), "{asked}");
}
