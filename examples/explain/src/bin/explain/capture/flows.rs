//! The TCP connections of a capture.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use pcap_parser::Linktype;

use super::super::session::Settings;
use super::flow::{Context, Flow, Reason};
use stentor_explain::packet::{self, Segment, Skip};

/// The connections, by their addresses, the smaller one first.
#[derive(Debug)]
pub(super) struct Flows<'a> {
    settings: &'a Settings,
    port: Option<u16>,
    flows: HashMap<(SocketAddr, SocketAddr), Flow>,
    /// Packets until now.
    packets: u64,
    now: Duration,
    number: u32,
    broken: usize,
    skipped: Skipped,
}

/// Connections and packets that are not explained, counted.
#[derive(Debug, Default)]
struct Skipped {
    /// Connections that do not begin with a request for WebSocket.
    others: u64,
    /// Connections whose beginning was not captured.
    late: u64,
    /// Packets that are fragments, or whose headers are cut.
    cut: u64,
    link: Option<i32>,
    /// The file ends within a packet.
    is_file_cut: bool,
}

/// The connections that are kept at a time: beyond it, those without packets for longest end.
const MOST: usize = 1024;

impl<'a> Flows<'a> {
    pub(super) fn new(settings: &'a Settings, port: Option<u16>) -> Flows<'a> {
        Flows {
            settings,
            port,
            flows: HashMap::new(),
            packets: 0,
            now: Duration::ZERO,
            number: 0,
            broken: 0,
            skipped: Skipped::default(),
        }
    }

    /// Takes a packet; `length` is its length before it was captured.
    pub(super) fn packet(
        &mut self,
        link: Linktype,
        data: &[u8],
        length: usize,
        at: Duration,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        match packet::read(link, data, length) {
            Ok(segment) => return self.segment(&segment, at, out),
            Err(Skip::Other) => {}
            Err(Skip::Cut) => self.skipped.cut += 1,
            Err(Skip::Link(kind)) => self.skipped.link = Some(kind),
        }
        Ok(())
    }

    /// Takes a segment.
    pub(super) fn segment(
        &mut self,
        segment: &Segment<'_>,
        at: Duration,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let ports = [segment.from.port(), segment.to.port()];
        if self.port.is_some_and(|port| !ports.contains(&port)) {
            return Ok(());
        }
        self.packets += 1;
        self.now = at;
        let key = (segment.from.min(segment.to), segment.from.max(segment.to));
        let is_new = |flow: &Flow| {
            let is_syn = segment.syn && segment.acknowledged.is_none();
            is_syn && flow.begin.is_some_and(|begin| begin != segment.sequence)
        };
        // The same addresses once more.
        if self.flows.get(&key).is_some_and(is_new) {
            self.end(key, true, out)?;
        }
        if self.flows.len() >= MOST && !self.flows.contains_key(&key) {
            let oldest = self.flows.iter().min_by_key(|(_, flow)| flow.newest);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                self.end(oldest, false, out)?;
            }
        }
        let flow = self.flows.entry(key).or_insert_with(|| Flow::new(segment));
        flow.newest = self.packets;
        let mut context = Context {
            settings: self.settings,
            port: self.port,
            number: &mut self.number,
            out,
        };
        flow.segment(segment, at, &mut context)?;
        if segment.rst || flow.has_ended() {
            // Late repeats of its segments find it closed.
            self.broken += flow.close();
        }
        Ok(())
    }

    /// The file ends within a packet.
    pub(super) fn cut(&mut self) {
        self.skipped.is_file_cut = true;
    }

    /// Ends all connections, and writes which ones were not explained. Returns how many rules were broken.
    pub(super) fn finish(mut self, out: &mut dyn Write) -> io::Result<usize> {
        let mut keys: Vec<_> = self
            .flows
            .iter()
            .map(|(key, flow)| (flow.newest, *key))
            .collect();
        keys.sort();
        for (_, key) in keys {
            self.end(key, false, out)?;
        }
        for line in self.skipped.lines(self.number, self.port) {
            writeln!(out, "-- {line}")?;
        }
        Ok(self.broken)
    }

    fn end(
        &mut self,
        key: (SocketAddr, SocketAddr),
        is_over: bool,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let Some(mut flow) = self.flows.remove(&key) else {
            return Ok(());
        };
        let mut context = Context {
            settings: self.settings,
            port: self.port,
            number: &mut self.number,
            out,
        };
        flow.finish(self.now, is_over, &mut context)?;
        self.broken += flow.close();
        match flow.skipped() {
            Some(Reason::Other) => self.skipped.others += 1,
            Some(Reason::Late) => self.skipped.late += 1,
            Some(Reason::Empty) | None => {}
        }
        Ok(())
    }
}

impl Skipped {
    fn lines(&self, explained: u32, port: Option<u16>) -> Vec<String> {
        let mut lines = Vec::new();
        if self.others > 0 {
            let (connections, it) = connections(self.others);
            lines.push(format!(
                "{connections} did not ask for WebSocket; --port N explains {it}"
            ));
        }
        if self.late > 0 {
            let (connections, it) = connections(self.late);
            lines.push(format!(
                "{connections} began before the capture; --as VERSION explains {it}"
            ));
        }
        if self.cut > 0 {
            lines.push(format!(
                "left out: fragments, and packets with cut headers: {}",
                self.cut
            ));
        }
        if let Some(kind) = self.link {
            lines.push(format!("left out: packets of the unknown link type {kind}"));
        }
        if self.is_file_cut {
            lines.push("the file ends within a packet".to_owned());
        }
        if lines.is_empty() && explained == 0 {
            lines.push(match port {
                Some(port) => format!("no connection of port {port} has bytes"),
                None => "no TCP connection with bytes was found".to_owned(),
            });
        }
        lines
    }
}

fn connections(number: u64) -> (String, &'static str) {
    match number {
        1 => ("1 connection".to_owned(), "it"),
        _ => (format!("{number} connections"), "them"),
    }
}
