use proptest::prelude::*;

use super::*;

fn user(number: usize) -> ConversationItem {
    // One token each.
    ConversationItem::User(format!("{number:04}"))
}

fn numbers(conversation: &Conversation) -> Vec<usize> {
    let number = |item: &ConversationItem| match item {
        ConversationItem::User(text) => text.parse().unwrap(),
        _ => unreachable!(),
    };
    conversation.iter().map(number).collect()
}

#[test]
fn oldest_items_are_removed_within_and_between_segments() {
    let all: Conversation = (0..200).map(user).collect();
    assert_eq!((all.len(), all.tokens()), (200, 200));
    for limit in [0, 1, 2, 71, 72, 73, 136, 199, 200, 1000] {
        let mut newest = all.clone();
        newest.truncate_oldest(limit as u64);
        let count = limit.clamp(1, 200);
        assert_eq!(numbers(&newest), (200 - count..200).collect::<Vec<_>>(), "{limit}");
        assert_eq!((newest.len(), newest.tokens()), (count, count as u64));
        newest.push(user(200));
        assert_eq!(newest.len(), count + 1);
        assert_eq!(newest.last(), Some(&user(200)));
    }
    assert_eq!(numbers(&all), (0..200).collect::<Vec<_>>(), "the clones changed it");
}

#[test]
fn calls_without_their_message_are_removed_across_segments() {
    let output = |number: usize| ConversationItem::ToolOutput {
        call_id: number.to_string(),
        output: "x".repeat(4),
    };
    let mut conversation = Conversation::from(vec![user(0)]);
    conversation.extend((0..150).map(output));
    conversation.push(user(1));
    let (all, last) = (conversation.clone(), item_tokens(&user(1)));
    conversation.truncate_oldest(all.tokens() - 1);
    assert_eq!(numbers(&conversation), [1]);
    assert_eq!((conversation.len(), conversation.tokens()), (1, last));
    assert_eq!((all.len(), conversation.bytes() < all.bytes()), (152, true));
}

#[test]
fn newest_item_is_kept_whatever_its_length() {
    let mut conversation: Conversation = (0..64).map(user).collect();
    conversation.push(ConversationItem::User("x".repeat(400)));
    conversation.truncate_oldest(99);
    assert_eq!((conversation.len(), conversation.tokens()), (1, 100));
    conversation.truncate_oldest(0);
    assert_eq!(conversation.len(), 1);
    let mut empty = Conversation::new();
    empty.truncate_oldest(0);
    assert!(empty.is_empty());
}

/// A change of a conversation.
#[derive(Clone, Debug)]
enum Change {
    Push(ConversationItem),
    InsertFirst(ConversationItem),
    Truncate(u64),
    /// Keeps a clone until the end, which shares items from then on.
    Clone,
}

fn change() -> impl Strategy<Value = Change> {
    let item = prop_oneof![
        8 => "[a-z]{0,12}".prop_map(ConversationItem::User),
        1 => "[a-z]{0,12}".prop_map(|output| ConversationItem::ToolOutput {
            call_id: "call".to_owned(),
            output,
        }),
    ];
    prop_oneof![
        40 => item.clone().prop_map(Change::Push),
        2 => item.prop_map(Change::InsertFirst),
        2 => (0_u64..500).prop_map(Change::Truncate),
        2 => Just(Change::Clone),
    ]
}

/// Does the same as `truncate_oldest`, one item at a time.
fn truncate(items: &mut Vec<ConversationItem>, max_tokens: u64) {
    let tokens = |items: &[ConversationItem]| items.iter().map(item_tokens).sum::<u64>();
    if tokens(items) <= max_tokens {
        return;
    }
    while items.len() > 1 && tokens(items) > max_tokens {
        items.remove(0);
    }
    while items.first().is_some_and(|item| !is_message(item)) {
        items.remove(0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn conversations_equal_lists_after_any_changes(changes in prop::collection::vec(change(), 0..700)) {
        let (mut conversation, mut items) = (Conversation::new(), Vec::new());
        let mut clones = Vec::new();
        for change in changes {
            match change {
                Change::Push(item) => {
                    conversation.push(item.clone());
                    items.push(item);
                }
                Change::InsertFirst(item) => {
                    conversation.insert_first(item.clone());
                    items.insert(0, item);
                }
                Change::Truncate(max_tokens) => {
                    conversation.truncate_oldest(max_tokens);
                    truncate(&mut items, max_tokens);
                }
                Change::Clone => clones.push((conversation.clone(), items.clone())),
            }
        }
        for (conversation, items) in clones.into_iter().chain([(conversation, items)]) {
            prop_assert_eq!(conversation.tokens(), items.iter().map(item_tokens).sum::<u64>());
            prop_assert_eq!(conversation.bytes(), items.iter().map(item_bytes).sum::<usize>());
            prop_assert_eq!(conversation, items);
        }
    }
}
