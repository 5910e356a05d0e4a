//! Arguments that are lists or maps.

use std::collections::{BTreeMap, HashMap};

use runstep_api::Field;

use super::kinds::{Collection, Items, References};
use super::{FieldType, IntoField, InvalidArgument, TextMap};

#[diagnostic::do_not_recommend]
impl<T> IntoField<Vec<T>, Collection> for Vec<T> {
    #[inline]
    fn into_field(self) -> Result<Field<Vec<T>>, InvalidArgument> {
        Ok(Field::Value(self))
    }
}

#[diagnostic::do_not_recommend]
impl<T> IntoField<Vec<T>, Collection> for Option<Vec<T>> {
    #[inline]
    fn into_field(self) -> Result<Field<Vec<T>>, InvalidArgument> {
        Ok(self.into())
    }
}

#[diagnostic::do_not_recommend]
impl<T: Clone> IntoField<Vec<T>, Collection> for &Vec<T> {
    #[inline]
    fn into_field(self) -> Result<Field<Vec<T>>, InvalidArgument> {
        Ok(Field::Value(self.clone()))
    }
}

#[diagnostic::do_not_recommend]
impl<T: Clone> IntoField<Vec<T>, Collection> for &[T] {
    #[inline]
    fn into_field(self) -> Result<Field<Vec<T>>, InvalidArgument> {
        Ok(Field::Value(self.to_vec()))
    }
}

#[diagnostic::do_not_recommend]
impl<T: Clone, const N: usize> IntoField<Vec<T>, Collection> for &[T; N] {
    #[inline]
    fn into_field(self) -> Result<Field<Vec<T>>, InvalidArgument> {
        Ok(Field::Value(self.to_vec()))
    }
}

#[diagnostic::do_not_recommend]
impl<T, const N: usize> IntoField<Vec<T>, Collection> for [T; N] {
    #[inline]
    fn into_field(self) -> Result<Field<Vec<T>>, InvalidArgument> {
        Ok(Field::Value(self.into()))
    }
}

#[diagnostic::do_not_recommend]
impl<T, I> IntoField<Vec<T>, Items> for I
where
    T: FieldType,
    I: Iterator,
    I::Item: Into<T>,
{
    #[inline]
    fn into_field(self) -> Result<Field<Vec<T>>, InvalidArgument> {
        Ok(Field::Value(self.map(Into::into).collect()))
    }
}

#[diagnostic::do_not_recommend]
impl<'a, T, I> IntoField<Vec<T>, References> for I
where
    T: FieldType + Clone + 'a,
    I: Iterator<Item = &'a T>,
{
    #[inline]
    fn into_field(self) -> Result<Field<Vec<T>>, InvalidArgument> {
        Ok(Field::Value(self.cloned().collect()))
    }
}

fn map<K, V>(entries: impl IntoIterator<Item = (K, V)>) -> Result<Field<TextMap>, InvalidArgument>
where
    K: Into<String>,
    V: Into<String>,
{
    let entries = entries.into_iter().map(|(key, value)| (key.into(), value.into()));
    Ok(Field::Value(entries.collect()))
}

#[diagnostic::do_not_recommend]
impl<I, K, V> IntoField<TextMap, Items> for I
where
    I: Iterator<Item = (K, V)>,
    K: Into<String>,
    V: Into<String>,
{
    #[inline]
    fn into_field(self) -> Result<Field<TextMap>, InvalidArgument> {
        map(self)
    }
}

/// Implements the conversions of a collection of entries.
macro_rules! map_arguments {
    ($([$($parameter:tt)*] $Map:ty;)+) => {$(
        #[diagnostic::do_not_recommend]
        impl<K: Into<String>, V: Into<String>, $($parameter)*> IntoField<TextMap, Collection> for $Map {
            #[inline]
            fn into_field(self) -> Result<Field<TextMap>, InvalidArgument> {
                map(self)
            }
        }

        #[diagnostic::do_not_recommend]
        impl<K: Into<String>, V: Into<String>, $($parameter)*> IntoField<TextMap, Collection>
            for Option<$Map>
        {
            #[inline]
            fn into_field(self) -> Result<Field<TextMap>, InvalidArgument> {
                self.map_or(Ok(Field::Absent), map)
            }
        }
    )+};
}

map_arguments! {
    [] BTreeMap<K, V>;
    [S] HashMap<K, V, S>;
    [] Vec<(K, V)>;
    [const N: usize] [(K, V); N];
}

/// Implements the conversions of a borrowed collection of entries.
macro_rules! borrowed_map_arguments {
    ($([$($parameter:tt)*] $Map:ty;)+) => {$(
        #[diagnostic::do_not_recommend]
        impl<'a, K, V, $($parameter)*> IntoField<TextMap, Collection> for &'a $Map
        where
            &'a K: Into<String>,
            &'a V: Into<String>,
        {
            #[inline]
            fn into_field(self) -> Result<Field<TextMap>, InvalidArgument> {
                map(self)
            }
        }

        #[diagnostic::do_not_recommend]
        impl<'a, K, V, $($parameter)*> IntoField<TextMap, Collection> for Option<&'a $Map>
        where
            &'a K: Into<String>,
            &'a V: Into<String>,
        {
            #[inline]
            fn into_field(self) -> Result<Field<TextMap>, InvalidArgument> {
                self.map_or(Ok(Field::Absent), map)
            }
        }
    )+};
}

borrowed_map_arguments! {
    [] BTreeMap<K, V>;
    [S] HashMap<K, V, S>;
}
