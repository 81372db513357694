//! The environment, arguments and variables.

use serde_json::json;

use crate::ground::Ground;

#[test]
fn has_exactly_the_declared_environment() {
    let Some(ground) = Ground::new() else { return };
    ground.container(
        "arguments: [report, sleep]\nenviron: { LANG: C.UTF-8, EMPTY: '', SPACED: ' a  b ', TZ: UTC }",
    );
    let tree = ground.start();
    let mut environ = tree.result("shop/web.0", "report")["environ"].clone();
    // Its value is the terminal's business; that it is there is ours.
    assert!(environ.as_object_mut().unwrap().remove("TERM").is_some());
    assert_eq!(
        environ,
        json!({
            "LITHOS_NAME": "shop/web.0", "LITHOS_CONFIG": "/config/web.yaml",
            "LANG": "C.UTF-8", "EMPTY": "", "SPACED": " a  b ", "TZ": "UTC",
        })
    );
}

#[test]
fn argument_zero_is_the_executable_and_the_rest_is_as_declared() {
    let Some(ground) = Ground::new() else { return };
    ground.container("arguments: [report, sleep, '', 'a b', '$HOME', \"two\\nlines\"]");
    let tree = ground.start();
    let report = tree.result("shop/web.0", "report");
    let expected = json!([
        "/bin/probe",
        "report",
        "sleep",
        "",
        "a b",
        "$HOME",
        "two\nlines"
    ]);
    assert_eq!(report["arguments"], expected);
    assert_eq!(report["executable"], "/bin/probe");
}

#[test]
fn replaces_variables_in_arguments_environment_and_ports() {
    let Some(ground) = Ground::new() else { return };
    let port = crate::descriptors::free_port();
    ground.sandbox(&format!("allow-tcp-ports: [{port}]"));
    ground.processes(&format!(
        "web:\n  image: probe\n  config: /config/web.yaml\n  \
         variables: {{ port: '{port}', mode: fast, who: me_1, where: a.b-c.d, extra: ignored }}"
    ));
    ground.container(
        "variables: { port: !TcpPort , mode: !Choice [slow, fast], who: !Name , where: !DottedName }\n\
         arguments: ['report', 'sleep', '@{mode}-@{ who }', '@{lithos:config_filename}']\n\
         environ: { WHERE: 'at @{where}:@{port}', SELF: '@{lithos:name}', PID: '@{lithos:pid}' }\n\
         tcp-ports: { '@{port}': { fd: 3, host: 127.0.0.1 } }",
    );
    let tree = ground.start();
    let report = tree.result("shop/web.0", "report");
    assert_eq!(report["arguments"][3], "fast-me_1");
    assert_eq!(report["arguments"][4], "/config/web.yaml");
    assert_eq!(report["environ"]["WHERE"], format!("at a.b-c.d:{port}"));
    assert_eq!(report["environ"]["SELF"], "shop/web.0");
    let pid = report["status"]["Pid"].as_str().unwrap().split(' ').next();
    assert_eq!(report["environ"]["PID"].as_str(), pid);
    assert_eq!(
        report["descriptors"]["3"],
        format!("listens 127.0.0.1:{port}")
    );
}
