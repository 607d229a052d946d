/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_CONFIG_FIELD_H
#define KUDEV_CONFIG_FIELD_H

/*
 * The strict reader: a table says which keys a mapping may have, of which type, in which
 * range, with which default and to what purpose, and where in a struct the value goes.
 * Everything that departs from the table is an error at its place, and reading goes on,
 * so that all of them are found in one pass. The tables are constant data, from which
 * help, the manual and the schema are made as well. Thread: any; one document at a time.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "config/document.h"

#define FIELDS_MAX 32	    /* keys of one mapping */
#define FIELD_TEXTS_MAX 250 /* texts in the list that one value may be */

enum field_flag {
	FIELD_REQUIRED = 1 << 0,
	FIELD_SOURCE = 1 << 1, /* says where the devices of a class come from */
};

struct field;

/* A kind of value. A scalar has parse, anything that needs the document has read. */
struct field_type {
	const char *wants; /* "a whole number" */
	bool unquoted;	   /* quotes make a text of it, which is not what is wanted */
	bool or_list;	   /* one of them or a list */

	/*
	 * For the schema: the types in JSON, of a text also what YAML takes it for where it
	 * has no quotes; what such a text must be, as a regular expression of ECMAScript, and
	 * the bits of config_variables[] that it may hold if it is a template. NULL and 0: any
	 * text.
	 */
	const char *schema;
	const char *pattern;
	unsigned variables;

	/*
	 * Puts the value of a text at its place in target, in the stead of an older one.
	 * The error is a clause that follows the key: "count: must be …".
	 */
	int (*parse)(const struct field *field, const char *text, void *target,
		     struct error *err);
	void (*read)(struct document *document, const yaml_node_t *node,
		     const struct field *field, void *target);
};

/* A table ends with an entry without a key. */
struct field {
	const char *key;
	const char *help; /* one line */
	const struct field_type *type;
	size_t offset; /* of the value in the struct that the table fills */
	unsigned flags;
	const char *fallback; /* what an absent key means, as it would be written */

	unsigned min, max; /* of a number, or of the items; max 0: no bound */
	const char *const
		*choices; /* the words of an enum in its order; ends with NULL */
	int (*check)(const char *text, struct error *err); /* of a text, or of each key */
	const char *
		pattern; /* what check accepts, as in the type, whose own holds as well */

	/*
	 * Of a mapping: its keys, and what one of them demands of another; for the schema the
	 * same as members of an object, as far as they can say it, and the name of a
	 * definition if the mapping can hold itself.
	 */
	const struct field *fields;
	void (*finish)(struct document *document, const yaml_node_t *mapping,
		       const struct field *field, void *target);
	const char *rules;
	const char *definition;

	/*
	 * Of a list or map: what an item is, and where the array's length goes. An item
	 * of a map begins with its key, a char *.
	 */
	const struct field *item;
	size_t item_size;
	size_t count_offset;
};

extern const struct field_type field_unsigned; /* unsigned; decimal */
extern const struct field_type field_boolean;  /* bool; true or false */
extern const struct field_type field_string;   /* char *; passes field->check */
extern const struct field_type field_choice;   /* an enum */
extern const struct field_type field_mapping;  /* a struct in place */
extern const struct field_type field_list;     /* an array of structs */
extern const struct field_type field_map;      /* an array; keys pass field->check */

/* Gives every field that has one its fallback. */
void fields_default(const struct field *fields, void *target);

/* Reads a mapping. Absent keys leave target as it is. */
void fields_read(struct document *document, const yaml_node_t *mapping,
		 const struct field *fields, void *target);

/* Reads one value, with what every value must pass. */
void field_read(struct document *document, const yaml_node_t *node,
		const struct field *field, void *target);

/*
 * The read of a type that is one text or a list of them: each goes through its parse,
 * which adds it to what was there.
 */
void field_read_texts(struct document *document, const yaml_node_t *node,
		      const struct field *field, void *target);

/* Whether a node is of the kind that the field's type wants; if not, that is reported. */
bool field_expect(struct document *document, const yaml_node_t *node,
		  const struct field *field, yaml_node_type_t type);

/* Adds zeroed items to the array of a list field and returns the first of them. */
void *field_extend(const struct field *field, void *target, size_t added);

/* The entry of a key in a table; NULL if there is none. */
const struct field *field_find(const struct field *fields, const char *key);

/* The place of a field's value; the caller knows its type. */
void *field_slot(const struct field *field, void *target);

/* Puts text, which is taken over, at the field's place, in the stead of an older one. */
void field_store(const struct field *field, void *target, char *text);

#endif
