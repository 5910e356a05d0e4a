//! Messages of the compiler for common mistakes.

/// The texts are those of the toolchain that `.ci/run` uses. To accept those of another one, set
/// `TRYBUILD=overwrite`.
#[test]
#[ignore = "compiles all dependencies; the messages are those of one version of the compiler"]
fn mistakes_with_tools_are_explained() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
