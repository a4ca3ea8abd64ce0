//! One test, because the library is one for the process.

use sonde::*;

#[test]
fn the_library_sees_what_a_program_does() {
    let wrong = Library::start(&Options { settings: &["colour=red"], ..Default::default() });
    assert!(wrong.problem().contains("colour"));

    let settings = ["socket=none", "spool.dir=none"];
    let library =
        Library::start(&Options { service: "rust", settings: &settings, ..Default::default() });
    assert_eq!(library.problem(), "");

    let jobs = Counter::new("jobs_total", "Jobs.", &[("kind", "nightly")]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1000).for_each(|_| jobs.add(1.0)));
        }
    });
    assert_eq!(jobs.value(), 4000.0);
    let depth = Gauge::new("depth", "Depth.", &[]);
    depth.set(4.0);
    depth.add(-1.0);
    assert_eq!(depth.value(), 3.0);
    Histogram::new("work_seconds", "Work.", &[]).observe(0.5);
    assert!(query("prometheus").contains("work_seconds_count 1"));

    let order = Operation::new("shop", "order");
    assert_eq!(order.run(|| Ok::<_, String>(7)), Ok(7));
    assert!(order.run(|| Err::<(), _>("no such card".to_string())).is_err());
    drop(order.begin());
    let panicked = std::panic::catch_unwind(|| {
        let _call = Operation::new("shop", "panics").begin();
        panic!("on purpose");
    });
    assert!(panicked.is_err());
    let said = query("operation shop order");
    for part in ["\"completed\":1", "\"errors\":1", "\"abandoned\":1", "no such card"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(query("operation shop panics").contains("\"errors\":1"));

    let outer = Span::start("outer", Kind::Server);
    outer.set_int("n", 1);
    outer.set_number("x", 0.5);
    outer.set_bool("yes", true);
    outer.set_text("name", "a");
    let inner = Span::start("inner", Kind::Internal);
    assert_eq!(outer.traceparent().len(), 55);
    assert_eq!(outer.traceparent()[..35], inner.traceparent()[..35]);
    drop(inner);
    drop(outer);

    log(Level::Info, "test", "a line");
    breadcrumb(Level::Info, "test", "a crumb");
    assert!(capture(Level::Error, "TestError", "on purpose"));
    health("store", Health::Degraded, "slow");
    assert!(library.flush(5000));
    assert!(query("captured").contains("TestError"));
    assert!(query("health").contains("slow"));
}
