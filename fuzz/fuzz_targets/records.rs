//! What a later supervisor finds of an earlier one: the first line is a container's
//! record, the rest its knot's report. `BOOT` stands for this machine's boot id.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use lithos::name::ContainerName;
use lithos::tree::records::{Found, Records};

static SCENE: LazyLock<Scene> = LazyLock::new(Scene::new);

struct Scene {
    records: Records,
    container: ContainerName,
    dir: PathBuf,
    boot: String,
}

impl Scene {
    fn new() -> Self {
        let base = std::env::temp_dir().join(format!("lithos-fuzz-{}", std::process::id()));
        let records = Records::open(&base).expect("a directory for records");
        let container: ContainerName = "shop/web.0".parse().expect("a name");
        let dir = records.container_dir(&container);
        std::fs::create_dir_all(&dir).expect("a directory for a record");
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        let boot = boot.expect("a boot id").trim().to_owned();
        Self {
            records,
            container,
            dir,
            boot,
        }
    }
}

fuzz_target!(|text: &str| {
    let scene = &*SCENE;
    let (record, report) = text.split_once('\n').unwrap_or((text, ""));
    let record = record.replace("BOOT", &scene.boot);
    std::fs::write(scene.dir.join("record.json"), record).expect("a record");
    std::fs::write(scene.dir.join("report"), report).expect("a report");
    let _ = scene.records.ending(&scene.container);
    match scene.records.read(scene.container.clone()) {
        Ok(Found::Record(record)) => {
            assert_eq!(record.plan.name, scene.container);
            let _ = record.pin();
            scene
                .records
                .write(&record)
                .expect("to write what was read");
            match scene.records.read(scene.container.clone()) {
                Ok(Found::Record(again)) => assert_eq!(again, record),
                other => panic!("{record:?} was written, and read as {other:?}"),
            }
        }
        Ok(Found::OtherBoot(_) | Found::Torn(_)) => {}
        Err(err) => assert!(!err.to_string().is_empty()),
    }
});
