/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The main() of a fuzz target that is built without libFuzzer: feeds it nothing at all
 * and then every file of its corpus, as TAP. The corpus is tests/fuzz/corpus/<program's
 * name> below KUDEV_SOURCE_DIR; arguments are files to be fed instead, to look into a
 * finding.
 */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned count;

static void feed(const char *name, const uint8_t *data, size_t size)
{
	/* Said first and flushed: a crash must leave the name behind. */
	printf("# %s\n", name);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, size);
	printf("ok %u - %s\n", ++count, name);
}

static int feed_file(const char *name, const char *path)
{
	uint8_t *data = NULL;
	long size = -1;
	FILE *file = fopen(path, "rb");

	if (file && fseek(file, 0, SEEK_END) == 0)
		size = ftell(file);
	if (size >= 0) {
		rewind(file);
		/* Exactly this long, so that the sanitizers see a read behind its end. */
		data = malloc((size_t)size);
		if (size > 0 && (!data || fread(data, (size_t)size, 1, file) != 1))
			size = -1;
	}
	if (file)
		fclose(file);
	if (size < 0) {
		printf("not ok %u - %s: cannot be read\n", ++count, path);
		free(data);
		return -1;
	}
	feed(name, data, (size_t)size);
	free(data);
	return 0;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int feed_corpus(const char *program)
{
	const char *slash = strrchr(program, '/');
	const char *source_dir = getenv("KUDEV_SOURCE_DIR");
	char directory[4096], path[8192];
	struct dirent **entries;
	int result = 0, n;

	snprintf(directory, sizeof(directory), "%s/tests/fuzz/corpus/%s",
		 source_dir ? source_dir : ".", slash ? slash + 1 : program);
	n = scandir(directory, &entries, is_visible, alphasort);
	if (n < 0) {
		printf("not ok %u - %s: cannot be read\n", ++count, directory);
		return -1;
	}
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
		if (feed_file(entries[i]->d_name, path) < 0)
			result = -1;
		free(entries[i]);
	}
	free(entries);
	return result;
}

int main(int argc, char **argv)
{
	int result = 0;

	feed("nothing", (const uint8_t *)"", 0);
	if (argc == 1)
		result = feed_corpus(argv[0]);
	for (int i = 1; i < argc; i++)
		if (feed_file(argv[i], argv[i]) < 0)
			result = -1;
	printf("1..%u\n", count);
	return result < 0 ? 1 : 0;
}
