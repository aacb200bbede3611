//! The first commands of a connection, and errors.

use super::super::facts::{Role, Unusable, Warning, auth, select, set_name};
use super::super::fault::{ErrorKind, RedisError};
use super::super::scripts::NoAnswer;
use super::super::scripts::log::{append, appended};
use super::super::wire::{Push, Reply, encode};
use super::super::{header::Header, header::Payload, scripts::log::Outgoing};
use super::{Link, Outcome, RedisServer};

#[test]
fn a_connection_reads_the_facts_and_a_warning() -> Outcome {
    let Some(redis) = RedisServer::start(&["--maxmemory-policy", "allkeys-lru"])? else {
        return Ok(());
    };
    let mut link = Link::open(&redis, 1)?;
    let facts = link.facts()?;
    assert_eq!(facts.role, Role::Primary);
    assert_eq!(facts.check()?, [Warning::Evicts("allkeys-lru".to_owned())]);
    assert_eq!(facts.life, link.context.life);
    let ok = Reply::Status("OK".to_owned());
    assert_eq!(link.ask(|_, into| set_name("stentor", into))?, ok);
    assert_eq!(link.ask(|_, into| select(3, into))?, ok);
    Ok(())
}

#[test]
fn passwords_are_checked() -> Outcome {
    let Some(redis) = RedisServer::start(&["--requirepass", "secret"])? else {
        return Ok(());
    };
    let error = Link::open(&redis, 1).err().map(|error| error.to_string());
    assert!(error.is_some_and(|error| error.contains("NOAUTH")));
    let mut link = Link::connect(&redis, 1)?;
    for (user, password) in [(None, "wrong"), (Some("ann"), "secret")] {
        let reply = link.ask(|_, into| auth(user, password, into))?;
        let kind = match &reply {
            Reply::Error(text) => Some(RedisError::read(text).kind),
            _ => None,
        };
        assert_eq!(kind, Some(ErrorKind::WrongPassword), "{reply:?}");
    }
    let reply = link.ask(|_, into| auth(None, "secret", into))?;
    assert_eq!(reply, Reply::Status("OK".to_owned()));
    Ok(())
}

#[test]
fn a_replica_cannot_be_used() -> Outcome {
    let Some(primary) = RedisServer::start_primary()? else {
        return Ok(());
    };
    let replica = primary.start_replica()?;
    let mut link = Link::open(&replica, 1)?;
    let facts = link.facts()?;
    assert_eq!(facts.check(), Err(Unusable::Replica));
    let reply = link.say("lobby", 1, &["one"]);
    let error = reply.err().map(|error| error.to_string());
    assert!(error.is_some_and(|error| error.contains("connect to the primary")));
    replica.promote()?;
    assert_eq!(link.facts()?.check(), Ok(Vec::new()));
    // The life is another one, although the process is the same.
    assert_eq!(link.facts()?.run_id, facts.run_id);
    assert_ne!(link.facts()?.life, facts.life);
    Ok(())
}

#[test]
fn scripts_that_redis_has_forgotten_are_an_error_of_their_own() -> Outcome {
    let Some(redis) = RedisServer::start(&[])? else {
        return Ok(());
    };
    let mut link = Link::open(&redis, 1)?;
    link.command(&["SCRIPT", "FLUSH"])?;
    let header = Header::message(link.context.machine, 1, Payload::Text);
    let batch = [Outgoing {
        header: &header,
        payload: b"one",
    }];
    let reply = link.ask(|context, into| append(context, "lobby", 1, &batch, into))?;
    let kind = match appended(reply) {
        Err(NoAnswer::Redis(error)) => Some(error.kind),
        _ => None,
    };
    assert_eq!(kind, Some(ErrorKind::NoScript));
    // Another connection loads them for all.
    Link::open(&redis, 2)?;
    assert_eq!(link.say("lobby", 1, &["one"])?.added, 1);
    Ok(())
}

#[test]
fn confirmations_and_pongs_come_in_order() -> Outcome {
    let Some(redis) = RedisServer::start(&[])? else {
        return Ok(());
    };
    let mut link = Link::open(&redis, 1)?;
    let channel = link.context.keys.channel("{a}\0");
    let mut commands = Vec::new();
    encode(&["SUBSCRIBE", &channel, "other"], &mut commands);
    encode(&["PING", "7"], &mut commands);
    encode(&["UNSUBSCRIBE", "other"], &mut commands);
    std::io::Write::write_all(&mut link.stream, &commands)?;
    let expected = [
        Push::Subscribed(channel.clone().into(), 1),
        Push::Subscribed(b"other".to_vec(), 2),
        Push::Pong(b"7".to_vec()),
        Push::Unsubscribed(b"other".to_vec(), 1),
    ];
    for push in expected {
        assert_eq!(Push::read(link.reply()?), Ok(push));
    }
    redis.command(&["PUBLISH", &channel, "hello"])?;
    let message = Push::Message(channel.into(), b"hello".to_vec());
    assert_eq!(Push::read(link.reply()?), Ok(message));
    Ok(())
}
