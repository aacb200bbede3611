//! Groups the clients of several audiences: each client once, together with those in the same audiences.
//!
//! Each client keeps the number of its place in the list of a batch's clients, so that no table of clients is
//! needed. A number of an earlier batch does no harm: at its place is another client, or none.

use std::sync::Arc;

use crate::net::link::Link;

/// The audiences of some clients, in ascending order, and these clients.
pub(super) type Group<'a> = (Vec<usize>, Vec<&'a Arc<Link>>);

/// A client, with the number of its group.
struct Place<'a> {
    link: &'a Arc<Link>,
    group: usize,
}

/// Clients that are in the same audiences, of those that have been seen so far.
struct Node {
    /// The last of these audiences.
    audience: usize,
    /// The group of the clients that are in the other audiences, if there are others.
    parent: Option<usize>,
    /// The last audience in which clients of this group were found, and the group that they are in now.
    split: Option<(usize, usize)>,
    /// The number of clients.
    len: usize,
}

/// Returns the groups; `None` if no client is in two of the audiences.
pub(super) fn groups<'a>(audiences: &[&'a [Arc<Link>]]) -> Option<Vec<Group<'a>>> {
    if audiences.len() < 2 {
        return None;
    }
    let (places, nodes) = assign(audiences);
    if nodes.iter().all(|node| node.parent.is_none()) {
        return None;
    }
    let audiences = (0..nodes.len()).map(|node| audiences_of(&nodes, node));
    let clients = nodes.iter().map(|node| Vec::with_capacity(node.len));
    let mut groups: Vec<Group<'a>> = audiences.zip(clients).collect();
    for place in places {
        groups[place.group].1.push(place.link);
    }
    groups.retain(|(_, clients)| !clients.is_empty());
    Some(groups)
}

fn assign<'a>(audiences: &[&'a [Arc<Link>]]) -> (Vec<Place<'a>>, Vec<Node>) {
    let clients = audiences.iter().map(|members| members.len()).sum();
    let mut places: Vec<Place> = Vec::with_capacity(clients);
    let mut nodes: Vec<Node> = Vec::with_capacity(audiences.len());
    for (audience, members) in audiences.iter().enumerate() {
        // The clients that are in none of the audiences before.
        let mut new = None;
        for link in *members {
            match places.get_mut(link.place()) {
                Some(place) if Arc::ptr_eq(place.link, link) => {
                    place.group = split(&mut nodes, place.group, audience);
                }
                _ => {
                    let group = *new.get_or_insert_with(|| add(&mut nodes, audience, None));
                    nodes[group].len += 1;
                    link.set_place(places.len());
                    places.push(Place { link, group });
                }
            }
        }
    }
    (places, nodes)
}

/// Moves a client from a group to that of the clients that are in this audience as well; returns the latter.
fn split(nodes: &mut Vec<Node>, from: usize, audience: usize) -> usize {
    nodes[from].len -= 1;
    let group = match nodes[from].split {
        Some((last, group)) if last == audience => group,
        _ => {
            let group = add(nodes, audience, Some(from));
            nodes[from].split = Some((audience, group));
            group
        }
    };
    nodes[group].len += 1;
    group
}

fn add(nodes: &mut Vec<Node>, audience: usize, parent: Option<usize>) -> usize {
    nodes.push(Node {
        audience,
        parent,
        split: None,
        len: 0,
    });
    nodes.len() - 1
}

fn audiences_of(nodes: &[Node], node: usize) -> Vec<usize> {
    let chain = std::iter::successors(Some(node), |node| nodes[*node].parent);
    let mut audiences: Vec<usize> = chain.map(|node| nodes[node].audience).collect();
    audiences.reverse();
    audiences
}

#[cfg(test)]
mod tests {
    use super::groups;
    use crate::net::client_id::ClientId;
    use crate::net::link::Link;
    use crate::server::hub::rooms::tests::links;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    /// Many batches with the same clients, whose places are those of other batches.
    #[test]
    fn each_client_is_in_the_group_of_its_audiences() -> std::io::Result<()> {
        let links = links(12)?;
        let (mut mixed, mut random) = (0, 1_u64);
        for batch in 0..2000 {
            let mut audiences = vec![Vec::new(); 1 + batch % 5];
            for link in &links {
                for audience in &mut audiences {
                    random = random.wrapping_mul(6364136223846793005).wrapping_add(1);
                    if (random >> 33).is_multiple_of(4) {
                        audience.push(Arc::clone(link));
                    }
                }
            }
            let mut expected: BTreeMap<Vec<usize>, Vec<ClientId>> = BTreeMap::new();
            for link in &links {
                let places = audiences.iter().enumerate();
                let own = places.filter(|(_, members)| members.iter().any(|one| one.id == link.id));
                let own: Vec<usize> = own.map(|(place, _)| place).collect();
                if !own.is_empty() {
                    expected.entry(own).or_default().push(link.id);
                }
            }
            let slices: Vec<&[Arc<Link>]> = audiences.iter().map(Vec::as_slice).collect();
            match groups(&slices) {
                None => assert!(expected.keys().all(|own| own.len() == 1), "{expected:?}"),
                Some(found) => {
                    mixed += 1;
                    let count = found.len();
                    let sorted = found.into_iter().map(|(own, clients)| {
                        let mut ids: Vec<ClientId> = clients.iter().map(|link| link.id).collect();
                        ids.sort_unstable();
                        (own, ids)
                    });
                    assert_eq!(sorted.collect::<BTreeMap<_, _>>(), expected);
                    assert_eq!(count, expected.len());
                }
            }
        }
        assert!((1000..1600).contains(&mixed), "{mixed}");
        Ok(())
    }
}
