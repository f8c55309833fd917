package main

import (
	"iter"
	"slices"

	"go.yaml.in/yaml/v3"
)

// scalar gives a YAML scalar; an empty tag lets the value choose its type.
func scalar(tag, value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
}

func ref(name string) *yaml.Node { return scalar("!Ref", name) }

// pairs gives the keys and values of a mapping in their order.
func pairs(mapping *yaml.Node) iter.Seq2[string, *yaml.Node] {
	return func(yield func(string, *yaml.Node) bool) {
		for pair := range slices.Chunk(mapping.Content, 2) {
			if !yield(pair[0].Value, pair[1]) {
				return
			}
		}
	}
}

// get follows keys into nested mappings; nil if one is missing.
func get(n *yaml.Node, path ...string) *yaml.Node {
	for _, key := range path {
		i := index(n, key)
		if i < 0 {
			return nil
		}
		n = n.Content[i+1]
	}
	return n
}

// set gives a mapping's key a value, in its place or at the end.
func set(mapping *yaml.Node, key string, value *yaml.Node) {
	if i := index(mapping, key); i >= 0 {
		mapping.Content[i+1] = value
		return
	}
	mapping.Content = append(mapping.Content, scalar("", key), value)
}

// remove takes a key out of a mapping, if it is there.
func remove(mapping *yaml.Node, key string) {
	if i := index(mapping, key); i >= 0 {
		mapping.Content = slices.Delete(mapping.Content, i, i+2)
	}
}

func index(mapping *yaml.Node, key string) int {
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return i
		}
	}
	return -1
}
