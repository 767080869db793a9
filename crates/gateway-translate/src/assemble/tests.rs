use gateway_types::Grammar;

use super::*;

/// Writes events in a short form: `T` text, `H` thinking, `C` call, `/` block end, `.` end.
#[derive(Default)]
struct Short {
    grammar: Grammar,
    out: String,
}

impl EventSink for Short {
    fn event(&mut self, event: Event<'_>) -> Result<(), Illegal> {
        self.grammar.accept(&event)?;
        match event {
            Event::Start { .. } => {}
            Event::BlockStart(BlockStart::Text) => self.out.push_str("T:"),
            Event::BlockStart(BlockStart::Thinking) => self.out.push_str("H:"),
            Event::BlockStart(BlockStart::ToolUse { id, name }) => {
                self.out.push_str(&format!("C:{}:{}:", id.escaped(), name.escaped()));
            }
            Event::BlockStart(other) => self.out.push_str(&format!("{other:?}")),
            Event::Delta(Delta::Text(piece) | Delta::Thinking(piece) | Delta::Json(piece)) => {
                self.out.push_str(piece.escaped());
            }
            Event::Delta(Delta::Signature(s)) => self.out.push_str(&format!("~{}", s.escaped())),
            Event::Delta(Delta::Citation(c)) => self.out.push_str(c.as_str()),
            Event::BlockStop => self.out.push('/'),
            Event::Finish { stop, sequence, .. } => {
                self.out.push_str(&format!(".{}", stop.as_str()));
                if let Some(sequence) = sequence {
                    self.out.push_str(&format!("({})", sequence.escaped()));
                }
            }
        }
        Ok(())
    }
}

struct Run {
    asm: Assembler,
    out: Short,
}

fn run() -> Run {
    with(Expect::default())
}

fn with(expect: Expect) -> Run {
    let expect = Expect { reply_id: "msg_1".into(), provider: "up".into(), ..expect };
    Run { asm: Assembler::new(expect), out: Short::default() }
}

fn t(text: &str) -> Text<'_> {
    Text::from_escaped(text)
}

impl Run {
    fn text(mut self, piece: &str) -> Self {
        self.asm.text(t(piece), &mut self.out).expect("legal");
        self
    }

    fn try_call(
        &mut self,
        index: Option<u64>,
        id: &str,
        name: &str,
        arguments: &str,
    ) -> Result<(), Fault> {
        let some = |text| Some(t(text)).filter(|t| !t.is_empty());
        let which = CallRef { index };
        self.asm.call(which, some(id), some(name), some(arguments), &mut self.out)
    }

    fn call(mut self, index: u64, id: &str, name: &str, arguments: &str) -> Self {
        self.try_call(Some(index), id, name, arguments).expect("legal");
        self
    }

    fn bare(mut self, id: &str, name: &str, arguments: &str) -> Self {
        self.try_call(None, id, name, arguments).expect("legal");
        self
    }

    fn end(mut self, reason: StopReason) -> String {
        self.asm.finish_reason(reason);
        self.asm.end(&mut self.out).expect("a whole reply");
        self.out.out
    }

    fn fails(mut self, reason: StopReason) -> String {
        self.asm.finish_reason(reason);
        let fault = self.asm.end(&mut self.out).expect_err("not a whole reply");
        assert!(!self.out.grammar.is_done());
        fault.error.message().to_owned()
    }
}

const A: &str = r#"{\"a\":1}"#;

#[test]
fn r01_a_whole_call_in_one_piece_goes_out_as_a_delta() {
    let got = run().text("hi").call(0, "c1", "Bash", A).end(StopReason::ToolUse);
    assert_eq!(got, format!("T:hi/C:c1:Bash:{A}/.tool_use"));
}

#[test]
fn r02_every_piece_goes_out_as_it_comes() {
    let mut r = run().call(0, "c1", "Bash", "");
    for piece in [r"{\", r#""a\"#, r#"":"#, "1", "}"] {
        let before = r.out.out.len();
        r.try_call(Some(0), "", "", piece).expect("legal");
        assert_eq!(&r.out.out[before..], piece);
    }
    assert_eq!(r.end(StopReason::ToolUse), format!("C:c1:Bash:{A}/.tool_use"));
}

#[test]
fn r03_interleaved_calls_come_one_after_the_other() {
    let got = run()
        .call(0, "c1", "Bash", r#"{\"a\"#)
        .call(1, "c2", "Read", r#"{\"b\"#)
        .call(0, "", "", r#"":1}"#)
        .call(1, "", "", r#"":2}"#)
        .end(StopReason::ToolUse);
    assert_eq!(got, format!("C:c1:Bash:{A}/C:c2:Read:{}/.tool_use", r#"{\"b\":2}"#));
}

#[test]
fn r03_snapshots_are_told_from_pieces() {
    let got = run()
        .call(0, "c1", "Bash", "{")
        .call(0, "c1", "Bash", r#"{\"a\""#)
        .call(0, "c1", "Bash", A)
        .call(0, "c1", "Bash", A)
        .end(StopReason::ToolUse);
    assert_eq!(got, format!("C:c1:Bash:{A}/.tool_use"));
    // Once a server is known for it, also where a value might begin.
    let known = run().call(0, "c1", "Bash", r#"{\"a"#).call(0, "c1", "Bash", r#"{\"a\":"#).call(
        0,
        "c1",
        "Bash",
        r#"{\"a\":{\"a\":1}}"#,
    );
    assert_eq!(known.end(StopReason::ToolUse), r#"C:c1:Bash:{\"a\":{\"a\":1}}/.tool_use"#);
    // A value that looks like the beginning is no snapshot.
    let nested = run().call(0, "c1", "Bash", r#"{\"a\":"#).call(0, "", "", r#"{\"a\":1}}"#);
    assert_eq!(nested.end(StopReason::ToolUse), r#"C:c1:Bash:{\"a\":{\"a\":1}}/.tool_use"#);
}

#[test]
fn r03_text_after_a_call_is_a_new_block_and_calls_that_wait_follow() {
    let got = run()
        .text("a")
        .call(0, "c1", "Bash", A)
        .call(1, "", "Read", "")
        .text("b")
        .call(1, "c2", "", A)
        .end(StopReason::ToolUse);
    assert_eq!(got, format!("T:a/C:c1:Bash:{A}/T:b/C:c2:Read:{A}/.tool_use"));
    // In the order in which they came, where none has to wait.
    let got = run().call(0, "c1", "Bash", A).call(1, "c2", "Read", A).text("b");
    assert_eq!(got.end(StopReason::ToolUse), format!("C:c1:Bash:{A}/C:c2:Read:{A}/T:b/.tool_use"));
}

#[test]
fn r02_a_call_that_is_whole_does_not_hold_up_the_next() {
    let mut r = run().call(0, "c1", "Bash", A);
    for (piece, wanted) in
        [("", "/C:c2:Read:"), (r#"{\"b\""#, r#"{\"b\""#), (":2}", ":2}"), ("", "")]
    {
        let before = r.out.out.len();
        r.try_call(Some(1), "c2", "Read", piece).expect("legal");
        assert_eq!(&r.out.out[before..], wanted);
    }
    // Several that waited for one go out with its last piece.
    let mut r =
        run().call(0, "c1", "Bash", r#"{\"a\""#).call(1, "c2", "Read", A).call(2, "c3", "Edit", "");
    let before = r.out.out.len();
    r.try_call(Some(0), "", "", ":1}").expect("legal");
    assert_eq!(&r.out.out[before..], format!(":1}}/C:c2:Read:{A}/C:c3:Edit:"));
    // One that has said nothing yet may still have arguments.
    let mut r = run().call(0, "c1", "Bash", "").call(1, "c2", "Read", A);
    assert_eq!(r.out.out, "C:c1:Bash:");
    r.try_call(Some(0), "", "", A).expect("legal");
    assert_eq!(r.end(StopReason::ToolUse), format!("C:c1:Bash:{A}/C:c2:Read:{A}/.tool_use"));
}

#[test]
fn r03_a_call_that_is_over_may_be_repeated_but_not_gone_on_with() {
    let begun = || run().call(0, "c1", "Bash", A).call(1, "c2", "Read", r#"{\"b\""#);
    for again in ["", " ", r"\n", A] {
        let got = begun().call(0, "c1", "Bash", again).call(1, "", "", ":2}");
        let wanted = format!("C:c1:Bash:{A}/C:c2:Read:{}/.tool_use", r#"{\"b\":2}"#);
        assert_eq!(got.end(StopReason::ToolUse), wanted, "{again:?}");
    }
    for more in ["}", r#"{\"a\":2}"#, r#",\"x\":1}"#] {
        let fault = begun().try_call(Some(0), "c1", "Bash", more).expect_err("nonsense");
        assert!(fault.error.message().contains("was over"), "{more}");
    }
}

#[test]
fn calls_without_an_index_are_told_apart() {
    let same_name = run().bare("", "Bash", A).bare("", "Bash", A).end(StopReason::EndTurn);
    assert_eq!(same_name.matches("C:").count(), 2, "{same_name}");
    let ids = run().bare("c1", "Bash", "").bare("c1", "", A).bare("c2", "Bash", A);
    assert_eq!(ids.end(StopReason::EndTurn), format!("C:c1:Bash:{A}/C:c2:Bash:{A}/.tool_use"));
    // All numbered 0, but with ids of their own.
    let zero = run().call(0, "c1", "Bash", A).call(0, "c2", "Read", A);
    assert_eq!(zero.end(StopReason::ToolUse), format!("C:c1:Bash:{A}/C:c2:Read:{A}/.tool_use"));
}

#[test]
fn a_name_or_an_id_may_come_late() {
    let got = run().call(0, "", "", r#"{\"a\""#).call(0, "c1", "", ":1}").call(0, "", "Bash", "");
    assert_eq!(got.end(StopReason::ToolUse), format!("C:c1:Bash:{A}/.tool_use"));
    let repeated = run().call(0, "c1", "Bash", "").call(0, "c1", "Bash", A);
    assert_eq!(repeated.end(StopReason::ToolUse), format!("C:c1:Bash:{A}/.tool_use"));
    let split = run().call(0, "", "Ba", "").call(0, "", "sh", "").call(0, "c1", "", A);
    assert_eq!(split.end(StopReason::ToolUse), format!("C:c1:Bash:{A}/.tool_use"));
}

#[test]
fn missing_and_repeated_ids_become_unique_ones() {
    let used_ids = HashSet::from(["c1".to_owned()]);
    let run = with(Expect { used_ids, ..Expect::default() });
    let got = run.call(0, "c1", "Bash", A).call(1, "", "Read", A).end(StopReason::ToolUse);
    let ids: HashSet<&str> =
        got.split("C:").skip(1).filter_map(|call| call.split(':').next()).collect();
    assert!(ids.len() == 2 && !ids.contains("c1") && !ids.contains(""), "{got}");
}

#[test]
fn a_call_without_arguments_has_no_delta() {
    for nothing in ["", "null", " ", r"\n"] {
        let got = run().call(0, "c1", "Bash", nothing).end(StopReason::ToolUse);
        assert_eq!(got, "C:c1:Bash:/.tool_use", "{nothing:?}");
    }
}

#[test]
fn r04_r05_arguments_that_are_not_json_never_make_a_call() {
    for broken in [r#"{\"a\""#, r#"\"text\""#, "[1]", r#"{\"a\":1}}"#, "{'a':1}", "7"] {
        let message = run().call(0, "c1", "Bash", broken).fails(StopReason::ToolUse);
        assert!(message.contains("`Bash`"), "{message}");
    }
    let mut first = run().call(0, "c1", "Bash", r#"{\"a\""#);
    first.try_call(Some(1), "c2", "Read", A).expect("waits for the first");
    assert!(first.fails(StopReason::ToolUse).contains("`Bash`"));
}

#[test]
fn r05_a_limit_may_cut_the_last_call_and_is_told_as_the_limit() {
    let got = run().call(0, "c1", "Bash", r#"{\"a\""#).end(StopReason::MaxTokens);
    assert_eq!(got, r#"C:c1:Bash:{\"a\"/.max_tokens"#);
    let nameless = run().text("x").call(0, "c1", "", "").end(StopReason::MaxTokens);
    assert_eq!(nameless, "T:x/.max_tokens");
}

#[test]
fn r07_reasons_follow_what_was_said() {
    let stop = |reason| run().text("x").end(reason);
    assert_eq!(stop(StopReason::ToolUse), "T:x/.end_turn");
    assert_eq!(stop(StopReason::Refusal), "T:x/.refusal");
    assert_eq!(stop(StopReason::MaxTokens), "T:x/.max_tokens");
    assert_eq!(run().call(0, "c", "B", A).end(StopReason::EndTurn), format!("C:c:B:{A}/.tool_use"));
    let mut refused = run();
    refused.asm.refusal(t("no"), &mut refused.out).expect("legal");
    assert_eq!(refused.end(StopReason::EndTurn), "T:no/.refusal");
}

#[test]
fn stop_sequences_end_the_reply_and_are_named() {
    let expect =
        || Expect { stop_sequences: vec!["</b>".into(), "\"q".into()], ..Expect::default() };
    let got = with(expect()).text("<b>yes</").text("b>more").out.out;
    assert_eq!(got, "T:<b>yes/.stop_sequence(</b>)");
    assert_eq!(with(expect()).text(r#"a \"qx"#).out.out, r#"T:a /.stop_sequence(\"q)"#);
    // What only began like one comes before the call that follows.
    let held = with(expect()).text("</").call(0, "c", "B", A).end(StopReason::ToolUse);
    assert_eq!(held, format!("T:</C:c:B:{A}/.tool_use").replace("</C", "<//C"));
    assert_eq!(with(expect()).text("x</").end(StopReason::EndTurn), "T:x<//.end_turn");
}

#[test]
fn thinking_is_shown_as_far_as_it_is_wanted() {
    let think = |shown| {
        let mut r = with(Expect { thinking: shown, ..Expect::default() });
        r.asm.thinking(t("hm"), &mut r.out).expect("legal");
        r.asm.end_thinking(Some("sig"), &mut r.out).expect("legal");
        r.text("x").end(StopReason::EndTurn)
    };
    assert_eq!(think(ThinkingShown::Shown), "H:hm~sig/T:x/.end_turn");
    assert_eq!(think(ThinkingShown::Omitted), "H:~sig/T:x/.end_turn");
    assert_eq!(think(ThinkingShown::Hidden), "T:x/.end_turn");
}

#[test]
fn r32_a_reply_without_usage_gets_an_estimate_that_is_marked() {
    let mut r = with(Expect { prompt_estimate: 70, ..Expect::default() }).text("eight by");
    let usage = r.asm.usage();
    assert_eq!((usage.counts.input, usage.counts.output), (70, 2));
    assert_eq!(usage.quality, UsageQuality::Estimated);
    let mut reported = ReplyUsage { quality: UsageQuality::Reported, ..ReplyUsage::default() };
    (reported.counts.input, reported.counts.output) = (60, 5);
    r.asm.set_usage(reported);
    assert_eq!(r.asm.usage(), reported);
}

#[test]
fn nothing_comes_after_the_end() {
    let mut r = run().text("x");
    r.asm.end(&mut r.out).expect("whole");
    let before = r.out.out.clone();
    let r = r.text("y").call(0, "c", "B", A);
    assert_eq!(r.end(StopReason::EndTurn), before);
}

#[test]
fn r03_equal_ids_at_different_places_are_different_calls() {
    let got = run().call(0, "x", "Bash", A).call(1, "x", "Read", A).end(StopReason::ToolUse);
    assert_eq!(got.matches("C:").count(), 2, "{got}");
    let repeated = run().call(0, "x", "Bash", "").call(0, "x", "Bash", A).end(StopReason::ToolUse);
    assert_eq!(repeated, format!("C:x:Bash:{A}/.tool_use"));
}

#[test]
fn text_amid_a_calls_arguments_stands_behind_the_call() {
    let got = run().call(0, "c", "Bash", r#"{\"a\":"#).text("hm").call(0, "", "", "1}");
    assert_eq!(got.end(StopReason::ToolUse), format!("C:c:Bash:{A}/T:hm/.tool_use"));
}

#[test]
fn r05_a_cut_is_not_taken_back() {
    let mut r = run().text("x");
    r.asm.finish_reason(StopReason::MaxTokens);
    assert_eq!(r.end(StopReason::EndTurn), "T:x/.max_tokens");
}

#[test]
fn what_stop_sequences_hold_back_behind_a_call_is_not_lost() {
    let expect = Expect { stop_sequences: vec!["</b>".into()], ..Expect::default() };
    let got = with(expect).call(0, "c", "B", A).text("<").end(StopReason::ToolUse);
    assert_eq!(got, format!("C:c:B:{A}/T:</.tool_use"));
}

#[test]
fn r32_a_count_of_nothing_beside_something_is_estimated() {
    let mut r = with(Expect { prompt_estimate: 70, ..Expect::default() });
    let reported = ReplyUsage { quality: UsageQuality::Reported, ..ReplyUsage::default() };
    r.asm.set_usage(reported);
    let usage = r.text("eight by").asm.usage();
    assert_eq!((usage.counts.input, usage.counts.output), (70, 2));
    assert_eq!(usage.quality, UsageQuality::Partial);
}
